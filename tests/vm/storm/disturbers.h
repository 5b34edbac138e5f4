// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/storm/disturbers.h
//
// What is done to the threads of a storm.
#ifndef LAUBERHORN_TESTS_VM_STORM_DISTURBERS_H_
#define LAUBERHORN_TESTS_VM_STORM_DISTURBERS_H_

#include <cstdint>

#include "tests/vm/storm/devices.h"
#include "tests/vm/storm/shared.h"

namespace lauberhorn::storm {

// Until the storm is over: gives other CPUs, policies and priorities to
// threads, preempts them by a real-time thread, and takes the last CPU away and
// back.
void Disturb(const Devices& devices, Shared& shared, std::uint64_t seed);

}  // namespace lauberhorn::storm

#endif  // LAUBERHORN_TESTS_VM_STORM_DISTURBERS_H_
