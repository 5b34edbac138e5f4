// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/keyed_hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {

absl::Status FillSecret(Secret* secret) {
  if (getrandom(secret->data(), secret->size(), 0) ==
      static_cast<ssize_t>(secret->size())) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot get random bytes: ", std::strerror(errno)));
}

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
