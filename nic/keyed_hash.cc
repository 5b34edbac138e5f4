// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/keyed_hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

namespace lauberhorn::nic {

std::uint64_t KeyedHash(const Secret& secret,
                        absl::Span<const std::uint64_t> values) {
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(values.data()),
       values.size() * sizeof(std::uint64_t), digest, &size);
  std::uint64_t result;
  std::memcpy(&result, digest, sizeof(result));
  return result;
}

}  // namespace lauberhorn::nic
