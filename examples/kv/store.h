// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The data of the server: values by key, each with a version, in memory. It
// knows nothing of RPC, so that it can be tested alone.
//
// Thread-safety: all functions may be called from any thread; one mutex, held
// for one entry at a time.
#ifndef EXAMPLES_KV_STORE_H_
#define EXAMPLES_KV_STORE_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace kv {

struct Value {
  std::string bytes;
  std::uint64_t version = 0;
};

// How a Put() ended; only kStored changed anything.
enum class PutResult {
  kStored,
  kExists,        // version 0 was expected, but the key exists
  kMissing,       // a version was expected, but there is no such key
  kOtherVersion,  // the key has another version than expected
};

class Store {
 public:
  // The first Put() makes `first_version`, each further one a larger version.
  // Not 0, which stands for a key that is not there.
  explicit Store(std::uint64_t first_version) : next_version_(first_version) {}

  // The value of a key, or nothing.
  std::optional<Value> Get(const std::string& key) const;

  // Sets the value of a key if it has the expected version, 0 meaning that it
  // is not there; without an expected version in any case. `version` becomes
  // that which the key then has, also if nothing was stored; 0 if it is not
  // there.
  PutResult Put(const std::string& key, const std::string& value,
                std::optional<std::uint64_t> expected_version,
                std::uint64_t* version);

  struct Entry {
    std::string key;
    Value value;
  };

  // The first entry whose key begins with `prefix` and comes after `after` in
  // the order of bytes, or nothing.
  std::optional<Entry> Next(const std::string& prefix,
                            const std::string& after) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Value> values_;
  std::uint64_t next_version_;
};

}  // namespace kv

#endif  // EXAMPLES_KV_STORE_H_
