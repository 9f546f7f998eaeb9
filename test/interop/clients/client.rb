# strongSwan's Ruby gem: the same steps as the other clients here, a line for each.
require "socket"
require "vici"

def session
  Vici::Connection.new(UNIXSocket.new(ARGV[0]))
end

vici = session
puts "daemon #{vici.version["daemon"]}"

lines = 0
vici.initiate("child" => "net-net", "timeout" => 10000) { |line| lines += 1 if line.key?("msg") }
puts "initiate #{lines.positive? ? 'yes' : 'without a log'}"

names = []
vici.list_sas { |sa| names += sa.keys }
puts "sas #{names.join(' ')}"
created = vici.load_pool("home" => { "addrs" => "10.9.0.0/24", "dns" => ["10.9.0.1", "10.9.0.2"] })
puts "pool #{created["success"] == "yes" ? 1 : 0}"
puts "size #{vici.get_pools({})["home"]["size"]}"

begin
  vici.load_conn("x" => { "remote_addrs" => ["10.0.0.0/40"] })
rescue Vici::CommandExecError => e
  puts "mistake #{e.message}"
end

heard = session
listener = Thread.new do
  heard.listen_events(["child-updown"]) do |name, message|
    puts "event #{name} #{message.keys.join(' ')}"
    raise Vici::StopEventListening
  end
end
sleep 0.05 until listener.stop?
vici.terminate("ike" => "sites", "timeout" => 5000) { |line| line }
listener.join(20)
puts "terminate yes"
