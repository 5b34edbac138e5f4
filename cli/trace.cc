// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/trace.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/process.h"
#include "nic/report.h"

namespace lauberhorn::cli {
namespace {

// Tracks: a "thread" of the trace for the engine, and one for each endpoint.
constexpr int kEngineTrack = 1;
int EndpointTrack(int endpoint) { return endpoint + 2; }

// Writes the list of events.
class Events {
 public:
  explicit Events(int pid) : pid_(pid) {}

  // One event of phase `phase`; `more` are further members, each with a comma
  // before it.
  void Add(char phase, absl::string_view name, double time, int track,
           absl::string_view more) {
    if (!first_) text_ += ",\n";
    first_ = false;
    absl::StrAppendFormat(
        &text_,
        "{\"ph\":\"%c\",\"name\":%s,\"ts\":%.3f,\"pid\":%d,\"tid\":%d%s}",
        phase, nic::JsonString(name), time / 1e3, pid_, track, more);
  }

  std::string Take() { return std::move(text_); }

 private:
  const int pid_;
  bool first_ = true;
  std::string text_;
};

// A number that no process has.
constexpr int kCpus = 0;

// What a thread does with a call, from its delivery to its reply.
struct Held {
  int endpoint;
  double since;
};

bool Begins(const std::string& station) {
  return station == "accepted" || station == "put";
}
bool Ends(const std::string& station) {
  return station == "replied" || station == "answered" || station == "dropped";
}
bool IsDelivery(const std::string& station) {
  return station == "delivered" || station == "woken" || station == "staged";
}

}  // namespace

absl::Status ChromeTrace::Add(const std::string& line) {
  const absl::StatusOr<google::protobuf::Value> value = ParseJson(line);
  if (!value.ok()) return value.status();
  if (value->has_struct_value()) {
    end_ = value->struct_value();
    return absl::OkStatus();
  }
  const auto& fields = value->list_value().values();
  constexpr int kFields = 6;
  if (fields.size() != kFields) {
    return absl::InternalError(
        absl::StrCat("not a record of a trace: ", line.substr(0, 80)));
  }
  // Small numbers only, whatever the process says.
  const auto integer = [&](int at) {
    const double number = fields[at].number_value();
    return number >= -1 && number < 1e6 ? static_cast<int>(number) : -1;
  };
  records_.push_back({.time = fields[0].number_value(),
                      .station = fields[1].string_value(),
                      .call = fields[2].string_value(),
                      .method = fields[3].string_value(),
                      .endpoint = integer(4),
                      .detail = integer(5)});
  return absl::OkStatus();
}

double ChromeTrace::lost() const {
  const auto found = end_.fields().find("lost");
  return found == end_.fields().end() ? 0 : found->second.number_value();
}

std::string ChromeTrace::NameOf(const Record& record) const {
  for (const char* const list : {"serves", "calls"}) {
    const auto names = end_.fields().find(list);
    if (names == end_.fields().end()) continue;
    const auto& known = names->second.struct_value().fields();
    const auto name = known.find(record.method);
    if (name != known.end()) return name->second.string_value();
  }
  return absl::StrCat("method ", record.method);
}

// A process of its own, whose tracks are the CPUs.
std::string ChromeTrace::ScheduleEvents() const {
  if (spans_.empty()) return "";
  Events events(kCpus);
  std::set<int> cpus;
  for (const CpuSpan& span : spans_) {
    cpus.insert(span.cpu);
    events.Add('X', absl::StrCat(span.name, "-", span.thread), span.begin,
               span.cpu,
               absl::StrFormat(",\"dur\":%.3f", (span.end - span.begin) / 1e3));
  }
  events.Add('M', "process_name", 0, 0, ",\"args\":{\"name\":\"CPUs\"}");
  for (const int cpu : cpus) {
    events.Add('M', "thread_name", 0, cpu,
               absl::StrFormat(",\"args\":{\"name\":\"CPU %d\"}", cpu));
  }
  return absl::StrCat(",\n", events.Take());
}

std::string ChromeTrace::Json() const {
  const auto pid = end_.fields().find("pid");
  Events events(pid == end_.fields().end()
                    ? 0
                    : static_cast<int>(pid->second.number_value()));
  std::map<std::string, Held> held;
  std::map<int, double> free_since;  // the last reply of each endpoint
  std::set<std::string> open;
  std::set<int> tracks;
  for (const Record& record : records_) {
    const std::string& station = record.station;
    if (record.call == "0") {
      events.Add('i', station, record.time, kEngineTrack,
                 absl::StrFormat(",\"s\":\"t\",\"args\":{\"type\":%d}",
                                 record.detail));
      continue;
    }
    const int track =
        record.endpoint < 0 ? kEngineTrack : EndpointTrack(record.endpoint);
    const std::string name = NameOf(record);
    const std::string id = absl::StrCat(",\"cat\":\"call\",\"id\":",
                                        nic::JsonString("0x" + record.call));
    // One that was taken in before the trace began has no beginning.
    if (Begins(station) && open.insert(record.call).second) {
      events.Add('b', name, record.time, kEngineTrack, id);
    }
    if (open.count(record.call) > 0) {
      events.Add(
          'n', station, record.time, kEngineTrack,
          absl::StrFormat("%s,\"args\":{\"detail\":%d}", id, record.detail));
      if (Ends(station)) {
        events.Add('e', name, record.time, kEngineTrack, id);
        open.erase(record.call);
      }
    }
    if (record.endpoint >= 0) tracks.insert(record.endpoint);
    if (IsDelivery(station)) {
      held[record.call] = {record.endpoint, record.time};
    } else if (station == "taken_back") {
      held.erase(record.call);
    } else if (station == "reply_collected" && held.count(record.call) > 0) {
      // What was staged began when the one before it was answered.
      const Held of = held[record.call];
      const double begin = std::max(of.since, free_since[of.endpoint]);
      events.Add('X', name, begin, track,
                 absl::StrFormat(",\"dur\":%.3f,\"args\":{\"status\":%d}",
                                 (record.time - begin) / 1e3, record.detail));
      free_since[of.endpoint] = record.time;
      held.erase(record.call);
    }
  }
  const auto name_track = [&](int track, const std::string& name) {
    events.Add(
        'M', "thread_name", 0, track,
        absl::StrCat(",\"args\":{\"name\":", nic::JsonString(name), "}"));
  };
  name_track(kEngineTrack, "NIC");
  for (const int endpoint : tracks) {
    name_track(EndpointTrack(endpoint), absl::StrCat("endpoint ", endpoint));
  }
  return absl::StrCat("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n",
                      events.Take(), ScheduleEvents(), "\n]}\n");
}

}  // namespace lauberhorn::cli
