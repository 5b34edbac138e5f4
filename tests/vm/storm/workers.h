// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/storm/workers.h
//
// The processes of a storm whose threads are bound to endpoints.
#ifndef LAUBERHORN_TESTS_VM_STORM_WORKERS_H_
#define LAUBERHORN_TESTS_VM_STORM_WORKERS_H_

#include <cstdint>

#include "tests/vm/storm/devices.h"
#include "tests/vm/storm/shared.h"

namespace lauberhorn::storm {

// Threads that run and sleep for moments, bound to an endpoint or not, until
// the storm is over. Some end while they are bound.
void RunWorkers(const Devices& devices, Shared& shared, unsigned process,
                std::uint64_t seed);

// Children that bind themselves, and then end, become another program, or are
// killed.
void Breed(const Devices& devices, Shared& shared, std::uint64_t seed);

// This program with that argument does nothing.
inline constexpr char kEndAtOnce[] = "--end-at-once";

}  // namespace lauberhorn::storm

#endif  // LAUBERHORN_TESTS_VM_STORM_WORKERS_H_
