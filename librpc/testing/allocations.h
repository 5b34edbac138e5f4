// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/testing/allocations.h
//
// How often this thread allocated by `new`: whoever links it has an operator
// new that counts.
#ifndef LAUBERHORN_LIBRPC_TESTING_ALLOCATIONS_H_
#define LAUBERHORN_LIBRPC_TESTING_ALLOCATIONS_H_

namespace lauberhorn::testing {

long Allocations();

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_LIBRPC_TESTING_ALLOCATIONS_H_
