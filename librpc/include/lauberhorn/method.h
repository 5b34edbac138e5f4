// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/method.h
//
// A method as the NIC and the library know it: its name, the id that travels in
// packets, and the function that the NIC dispatches to. Tables of these are
// generated from .proto files; the library jumps only to what stands in one.
//
//   constexpr lauberhorn::Method kMethods[] = {
//       {"/hello.Greeter/SayHello", &SayHelloThunk},
//   };
//
// Thread-safety: values. Blocking: never. Ownership: a Method refers to its
// name, which must outlive it; generated tables are static.
#ifndef LAUBERHORN_METHOD_H_
#define LAUBERHORN_METHOD_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace lauberhorn {

class ServerCall;

// Runs one call of a method: decodes `call.request()`, calls the handler in
// `service`, and answers with `call.Reply()` or `call.Fail()`, exactly once.
using Thunk = void (*)(void* service, ServerCall& call);

// The id of the method with this full name, "/package.Service/Method": FNV-1a,
// 64 bits, as abi/wire/packet.h defines it.
constexpr std::uint64_t MethodId(absl::string_view full_name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : full_name) {
    hash = (hash ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3u;
  }
  return hash;
}

// One row of a service's method table.
struct Method {
  constexpr Method(absl::string_view full_name, Thunk run)
      : name(full_name), id(MethodId(full_name)), thunk(run) {}

  absl::string_view name;  // "/package.Service/Method", at most 255 bytes
  std::uint64_t id;        // MethodId(name)
  Thunk thunk;             // never null
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_METHOD_H_
