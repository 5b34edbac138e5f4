// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/keyed_hash.h"

#include <openssl/crypto.h>
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
  // When the process exits there may still be threads here: nothing is freed
  // under their hands.
  static const int kKept = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  (void)kKept;
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
