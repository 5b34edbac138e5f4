// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/trace.h
//
// `lauberhorn trace`: the lines of a process's trace (nic/report_socket.h) as
// the JSON that chrome://tracing and ui.perfetto.dev read. Each call is an
// asynchronous event from its arrival to its end, with its stations inside;
// each endpoint is a track that shows which call its thread had; packets are a
// track of their own.
#ifndef LAUBERHORN_CLI_TRACE_H_
#define LAUBERHORN_CLI_TRACE_H_

#include <google/protobuf/struct.pb.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cli/schedule.h"

namespace lauberhorn::cli {

class ChromeTrace {
 public:
  // Takes a line of the trace. INTERNAL if it is none.
  absl::Status Add(const std::string& line);

  // What ran on CPUs meanwhile, to be shown beside it.
  void AddSchedule(std::vector<CpuSpan> spans) { spans_ = std::move(spans); }

  // All of it, once every line was added.
  std::string Json() const;

  std::size_t records() const { return records_.size(); }
  double lost() const;

 private:
  struct Record {
    double time;  // ns
    std::string station;
    std::string call;
    std::string method;
    int endpoint;
    int detail;
  };

  std::string NameOf(const Record& record) const;
  std::string ScheduleEvents() const;

  std::vector<Record> records_;
  google::protobuf::Struct end_;
  std::vector<CpuSpan> spans_;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_TRACE_H_
