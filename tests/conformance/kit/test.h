// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/kit/test.h
//
// What the conformance kit consists of: tests, each of which shows that a
// device keeps some rules of spec/CONTRACT.md. A test gets a device that was
// just reset. It returns if the device kept the rules, and throws if not.
#ifndef LAUBERHORN_TESTS_CONFORMANCE_KIT_TEST_H_
#define LAUBERHORN_TESTS_CONFORMANCE_KIT_TEST_H_

#include <span>
#include <string>

namespace lauberhorn::conformance {

class Host;

// The device broke a rule.
struct Failure {
  std::string expected;
  std::string found;
};

// The device did not do what it may do, or has not what this is about.
struct NotApplicable {
  std::string why;
};

// What a test cannot do without; a bit each.
enum Need : unsigned {
  kNothing = 0,
  kWake = 1,  // the device wakes by a futex in the region
  kRing = 2,  // the device may sleep, and there is a way to ring it
};

struct Test {
  const char* rules;  // their ids, with a space between
  const char* text;   // what the device does, if it keeps them
  void (*run)(Host& host);
  unsigned needs = kNothing;
  bool should = false;  // the rules say SHOULD: to break them is no failure
};

// By theme, each in a file of its own.
std::span<const Test> RegionTests();
std::span<const Test> LaneTests();
std::span<const Test> WakeTests();
std::span<const Test> ControlTests();
std::span<const Test> CallTests();
std::span<const Test> EndTests();
std::span<const Test> DispatchTests();
std::span<const Test> QuarantineTests();

// Throws if the condition does not hold.
inline void Expect(bool condition, const std::string& expected,
                   const std::string& found) {
  if (!condition) throw Failure{expected, found};
}

// The same for a number.
void ExpectEqual(unsigned long long found, unsigned long long expected,
                 const std::string& what);

// A number as people read it.
std::string Hex(unsigned long long number);

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_KIT_TEST_H_
