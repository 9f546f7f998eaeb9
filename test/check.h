// check.h - cmocka with the headers that it wants before it, in this order.
#pragma once

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define CHECK(cond) assert_true(cond)
#define CHECK_EQ(got, want) assert_int_equal((got), (want))
#define CHECK_OK(expr) assert_int_equal((expr), ERR_OK)
#define CHECK_STR(got, want) assert_string_equal((got), (want))
