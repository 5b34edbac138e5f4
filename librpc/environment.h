// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/environment.h
//
// What the environment says; nothing where the process has more rights than who
// started it.
#ifndef LAUBERHORN_LIBRPC_ENVIRONMENT_H_
#define LAUBERHORN_LIBRPC_ENVIRONMENT_H_

#include <cstdlib>
#include <string>

namespace lauberhorn {

inline std::string Environment(const char* name) {
  const char* const value = secure_getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_ENVIRONMENT_H_
