// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/stay.h
//
// A worker that brings itself into a state in which a test kills it or whom it
// serves, and stays there; and what a process finds in its own part of the
// device.
#ifndef LAUBERHORN_TESTS_VM_SERVE_STAY_H_
#define LAUBERHORN_TESTS_VM_SERVE_STAY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server_call.h"

namespace lauberhorn::serve {

// For a handler of a service. Writes "stays" and its thread's number to stdout,
// and then, for ever:
//
//   computes  computes
//   replies   sleeps, its reply written and not given
//   parks     is in PARK, where it reads a word that never comes
//   exits     ends its process
//   holds     sleeps, but only until nobody waits for its reply
void Stay(Runtime& runtime, ServerCall& call, absl::string_view how);

// How often a text stands in the part of the device that is this process's. It
// is told inverted, as it stands there else by being asked for.
int CountInOwnPart(absl::string_view inverted);

// A text with the lowest bit of each byte changed.
std::string Inverted(absl::string_view text);

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_STAY_H_
