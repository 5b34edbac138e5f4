// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/hostile.h
//
// A process that means ill.
#ifndef LAUBERHORN_TESTS_VM_SERVE_HOSTILE_H_
#define LAUBERHORN_TESTS_VM_SERVE_HOSTILE_H_

#include <cstdint>
#include <string>

namespace lauberhorn::serve {

// What main() of such a process does: attaches, says so on stdout, and goes on
// until it is killed.
//
//   garbage  writes anything anywhere in its part
//   states   puts its slots into other states, and makes messages there
//   forged   puts messages as it should: of any kind, about any call, endpoint,
//            server or session, with any length and offset
//   cancels  calls the service at the port, and takes each call back at some
//            time
int HostileMain(const std::string& how, int port, std::uint64_t seed);

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_HOSTILE_H_
