// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The handlers; see kv_service.h.
#include "kv_service.h"

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace kv {
namespace {

using grpc::Status;
using grpc::StatusCode;

// The limits that kv.proto states.
constexpr std::size_t kKeyBytes = 256;
constexpr std::size_t kValueBytes = 1024;
constexpr std::size_t kMessageBytes = 1392;

// What a field adds to its contents: a byte for its number, two for its length.
constexpr std::size_t kFieldBytes = 3;
// The field `more` of a ScanReply.
constexpr std::size_t kMoreBytes = 2;
// The largest entry has 10 bytes of a version. It must fit into a page alone,
// or a scan would never go past it.
static_assert(kFieldBytes + (kFieldBytes + kKeyBytes) +
                      (kFieldBytes + kValueBytes) + (1 + 10) + kMoreBytes <=
                  kMessageBytes,
              "one entry of the largest key and value fills more than a page");

std::string Quoted(const std::string& key) { return "'" + key + "'"; }

Status TooLong(const std::string& what, std::size_t size, std::size_t most) {
  return Status(StatusCode::INVALID_ARGUMENT,
                what + " has " + std::to_string(size) + " bytes; at most " +
                    std::to_string(most) + " are allowed");
}

Status CheckKey(const std::string& key) {
  if (key.empty()) {
    return Status(StatusCode::INVALID_ARGUMENT, "the key is empty");
  }
  if (key.size() > kKeyBytes) return TooLong("the key", key.size(), kKeyBytes);
  return Status::OK;
}

}  // namespace

Status KeyValueService::Get(grpc::ServerContext* /*context*/,
                            const GetRequest* request, GetReply* reply) {
  const Status checked = CheckKey(request->key());
  if (!checked.ok()) return checked;
  std::optional<Value> value = store_->Get(request->key());
  if (!value.has_value()) {
    return Status(StatusCode::NOT_FOUND,
                  "there is no key " + Quoted(request->key()));
  }
  reply->set_value(std::move(value->bytes));
  reply->set_version(value->version);
  return Status::OK;
}

Status KeyValueService::Put(grpc::ServerContext* /*context*/,
                            const PutRequest* request, PutReply* reply) {
  const Status checked = CheckKey(request->key());
  if (!checked.ok()) return checked;
  if (request->value().size() > kValueBytes) {
    return TooLong("the value of " + Quoted(request->key()),
                   request->value().size(), kValueBytes);
  }
  std::optional<std::uint64_t> expected;
  if (request->has_expected_version()) expected = request->expected_version();
  std::uint64_t version = 0;
  const PutResult result =
      store_->Put(request->key(), request->value(), expected, &version);
  switch (result) {
    case PutResult::kStored:
      reply->set_version(version);
      return Status::OK;
    case PutResult::kExists:
      return Status(StatusCode::FAILED_PRECONDITION,
                    "the key " + Quoted(request->key()) +
                        " exists, in version " + std::to_string(version));
    case PutResult::kMissing:
      return Status(StatusCode::FAILED_PRECONDITION,
                    "there is no key " + Quoted(request->key()) +
                        " whose version could be " + std::to_string(*expected));
    case PutResult::kOtherVersion:
      return Status(StatusCode::ABORTED,
                    "the key " + Quoted(request->key()) + " has version " +
                        std::to_string(version) + ", not " +
                        std::to_string(*expected));
  }
  return Status(StatusCode::INTERNAL, "a result of Put() that there is not");
}

Status KeyValueService::Scan(grpc::ServerContext* context,
                             const ScanRequest* request, ScanReply* reply) {
  if (request->prefix().size() > kKeyBytes) {
    return TooLong("the prefix", request->prefix().size(), kKeyBytes);
  }
  if (request->continue_after().size() > kKeyBytes) {
    return TooLong("continue_after", request->continue_after().size(),
                   kKeyBytes);
  }
  std::size_t bytes = kMoreBytes;
  std::string after = request->continue_after();
  while (std::optional<Store::Entry> next =
             store_->Next(request->prefix(), after)) {
    if (slow_scan_.count() > 0) std::this_thread::sleep_for(slow_scan_);
    // Nobody reads what would be found from here on. The caller has its
    // DEADLINE_EXCEEDED already, whatever is answered now.
    if (context->IsCancelled()) {
      std::cout << "gave up a scan that nobody waits for" << std::endl;
      return Status(StatusCode::CANCELLED,
                    "the deadline passed, or the caller is gone");
    }
    Entry entry;
    after = next->key;
    entry.set_key(std::move(next->key));
    entry.set_value(std::move(next->value.bytes));
    entry.set_version(next->value.version);
    bytes += kFieldBytes + entry.ByteSizeLong();
    const bool enough =
        request->limit() > 0 &&
        static_cast<std::uint32_t>(reply->entries_size()) == request->limit();
    if (enough || bytes > kMessageBytes) {
      reply->set_more(true);
      return Status::OK;
    }
    *reply->add_entries() = std::move(entry);
  }
  return Status::OK;
}

}  // namespace kv
