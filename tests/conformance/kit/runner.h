// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/kit/runner.h
//
// Runs the kit's tests one after the other, and says what came of them.
#ifndef LAUBERHORN_TESTS_CONFORMANCE_KIT_RUNNER_H_
#define LAUBERHORN_TESTS_CONFORMANCE_KIT_RUNNER_H_

#include <string>

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {

struct RunOptions {
  HostOptions host;
  std::string only;  // what a test's rules or text must have in it
};

// One line on stdout for each rule and test.
void List();

// Returns the program's exit status. A test that does not return at all, as one
// does whose loads are left unanswered, ends the program.
int Run(RegionFile& region, const RunOptions& options);

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_KIT_RUNNER_H_
