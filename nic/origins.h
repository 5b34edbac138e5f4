// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/origins.h
//
// How many sessions each origin has. An origin is what one host has for
// certain: an IPv4 address, or the first 64 bits of an IPv6 address, since a
// host usually has all that begin with them.
//
// Not thread-safe; allocates at construction only.
#ifndef LAUBERHORN_NIC_ORIGINS_H_
#define LAUBERHORN_NIC_ORIGINS_H_

#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "nic/address.h"

namespace lauberhorn::nic {

class Origins {
 public:
  // For at most so many sessions.
  explicit Origins(std::size_t sessions) { counts_.reserve(sessions); }

  void Add(const Address& address) { ++counts_[Of(address)]; }

  // One that was added.
  void Remove(const Address& address) {
    const auto found = counts_.find(Of(address));
    if (--found->second == 0) counts_.erase(found);
  }

  // The sessions of the origin that the address belongs to.
  std::uint32_t Count(const Address& address) const {
    const auto found = counts_.find(Of(address));
    return found == counts_.end() ? 0 : found->second;
  }

  static bool Same(const Address& a, const Address& b) {
    return Of(a) == Of(b);
  }

 private:
  // The address, the last half of an IPv6 one taken as zeros.
  using Key = std::pair<std::uint64_t, std::uint64_t>;
  static Key Of(const Address& address) {
    Key key;
    std::memcpy(&key.first, address.raw().ip, sizeof(key.first));
    std::memcpy(&key.second, address.raw().ip + sizeof(key.first),
                sizeof(key.second));
    if (!address.IsV4()) key.second = 0;
    return key;
  }

  absl::flat_hash_map<Key, std::uint32_t> counts_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ORIGINS_H_
