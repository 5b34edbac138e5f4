// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/parent_call.h
//
// A call that is served, as a call that its handler makes for it names it: the
// nested call ends with it, if it ends early.
//
//   lauberhorn::CallOptions options;
//   options.parent = call.AsParent();  // of the ServerCall
//
// Thread-safety: a value. Blocking: never. Ownership: none; also good when the
// call has ended, and then without effect.
#ifndef LAUBERHORN_PARENT_CALL_H_
#define LAUBERHORN_PARENT_CALL_H_

#include <cstdint>

namespace lauberhorn {

struct ParentCall {
  const void* process = nullptr;  // that serves it; null: there is no such call
  std::uint64_t call = 0;         // its handle there
  std::uint64_t deadline = 0;     // on the device's clock, 0 if none
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_PARENT_CALL_H_
