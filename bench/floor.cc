// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/floor.h"

#include <cstring>

#include "abi/host/atomic_user.h"

namespace lauberhorn::bench {

void Floor::BounceHost(int count) {
  for (int i = 0; i < count; ++i) {
    lh_store_release(&bounce_.word, 1);
    while (lh_load_acquire(&bounce_.word) != 0) {
    }
  }
}

void Floor::BouncePartner(int count) {
  for (int i = 0; i < count; ++i) {
    while (lh_load_acquire(&bounce_.word) != 1) {
    }
    lh_store_release(&bounce_.word, 0);
  }
}

// The words count, so nothing is given back.
void Floor::EchoHost(int count) {
  std::uint8_t bytes[sizeof(Line::bytes)] = {};
  std::uint64_t word = reply_.word;
  std::uint64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    bytes[0] = static_cast<std::uint8_t>(i);
    std::memcpy(request_.bytes, bytes, sizeof(bytes));
    lh_store_release(&request_.word, ++word);
    while (lh_load_acquire(&reply_.word) != word) {
    }
    std::memcpy(bytes, reply_.bytes, sizeof(bytes));
    sum += bytes[0];
  }
  sum_ += sum;
}

void Floor::EchoPartner(int count) {
  std::uint8_t bytes[sizeof(Line::bytes)];
  std::uint64_t word = reply_.word;
  for (int i = 0; i < count; ++i) {
    ++word;
    while (lh_load_acquire(&request_.word) != word) {
    }
    std::memcpy(bytes, request_.bytes, sizeof(bytes));
    std::memcpy(reply_.bytes, bytes, sizeof(bytes));
    lh_store_release(&reply_.word, word);
  }
}

}  // namespace lauberhorn::bench
