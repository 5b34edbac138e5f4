// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The service of kv.proto over a Store: checks requests, and says in statuses
// what is wrong.
//
// Thread-safety: handlers run on several threads at once; all that they share
// is the Store, which is safe.
#ifndef EXAMPLES_KV_KV_SERVICE_H_
#define EXAMPLES_KV_KV_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "kv.grpc.pb.h"
#include "store.h"

namespace kv {

class KeyValueService final : public KeyValue::Service {
 public:
  // A scan pauses for `slow_scan` before each key, so that one can see a
  // deadline pass. The store must outlive the service.
  KeyValueService(Store* store, std::chrono::milliseconds slow_scan)
      : store_(store), slow_scan_(slow_scan) {}

  grpc::Status Get(grpc::ServerContext* context, const GetRequest* request,
                   GetReply* reply) override;
  grpc::Status Put(grpc::ServerContext* context, const PutRequest* request,
                   PutReply* reply) override;
  grpc::Status Scan(grpc::ServerContext* context, const ScanRequest* request,
                    ScanReply* reply) override;

 private:
  Store* const store_;
  const std::chrono::milliseconds slow_scan_;
};

}  // namespace kv

#endif  // EXAMPLES_KV_KV_SERVICE_H_
