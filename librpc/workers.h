// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/workers.h
//
// A worker: a thread that takes calls from its endpoint and runs their
// handlers, until the NIC tells it to retire. Its loop is put, get, put, get:
// the reply of one call asks for the next.
#ifndef LAUBERHORN_LIBRPC_WORKERS_H_
#define LAUBERHORN_LIBRPC_WORKERS_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "librpc/endpoint_pool.h"
#include "librpc/method_rows.h"

namespace lauberhorn {

// The workers of a process. They run while somebody needs them.
class Workers {
 public:
  // The references outlive the workers; `count` is how many there are.
  Workers(EndpointPool& endpoints, const MethodRows& methods,
          const Attachment& attachment, std::uint32_t count);

  // Nobody needs them any more.
  ~Workers() = default;

  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Starts them if they do not run. RESOURCE_EXHAUSTED if threads or endpoints
  // are refused. Each success is to be followed by one Release(), which stops
  // them and waits for them if nobody else needs them.
  absl::Status Acquire();
  void Release();

 private:
  struct Worker {
    std::thread thread;
    std::uint64_t endpoint = 0;  // handle
  };

  absl::Status StartAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StopAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(Endpoint& endpoint) const;

  EndpointPool& endpoints_;
  const MethodRows& methods_;
  const Attachment& attachment_;
  const std::uint32_t count_;
  std::mutex mutex_;
  std::uint32_t users_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Worker> workers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_WORKERS_H_
