// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/report.h"

#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nic/clock.h"

namespace lauberhorn::nic {
namespace {

// Writes the commas between the members of an object or list.
class Members {
 public:
  Members(std::string& json, absl::string_view brackets)
      : json_(json), close_(brackets.substr(1)) {
    absl::StrAppend(&json_, brackets.substr(0, 1));
  }
  ~Members() { absl::StrAppend(&json_, close_); }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  // What follows is the value of this key; or the next of a list.
  std::string& Key(absl::string_view key) {
    Next();
    absl::StrAppend(&json_, JsonString(key), ":");
    return json_;
  }
  std::string& Next() {
    if (!first_) json_.append(",");
    first_ = false;
    return json_;
  }
  void Add(absl::string_view key, std::uint64_t value) {
    absl::StrAppend(&Key(key), value);
  }
  void Add(absl::string_view key, absl::string_view value) {
    absl::StrAppend(&Key(key), JsonString(value));
  }

 private:
  std::string& json_;
  const absl::string_view close_;
  bool first_ = true;
};

std::string Hex(std::uint64_t value) { return absl::StrFormat("%x", value); }

struct Edges {
  explicit Edges(const ChannelCounters& counters) { Add(counters); }
  Edges() = default;

  void Add(const ChannelCounters& counters) {
#define LAUBERHORN_NIC_COUNTER(name, meaning) name += counters.name.value();
    LAUBERHORN_NIC_CHANNEL_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER
  }

  void Write(std::string& json) const {
    Members members(json, "{}");
#define LAUBERHORN_NIC_COUNTER(name, meaning) members.Add(#name, name);
    LAUBERHORN_NIC_CHANNEL_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER
  }

#define LAUBERHORN_NIC_COUNTER(name, meaning) std::uint64_t name = 0;
  LAUBERHORN_NIC_CHANNEL_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER
};

void WriteMethods(const MethodCounterTable& table, std::string& json) {
  Members methods(json, "[]");
  const std::uint32_t size = table.size();
  for (std::uint32_t number = 0; number < size; ++number) {
    const MethodCounters& counters = table.at(number);
    Members method(methods.Next(), "{}");
    method.Add("name", counters.name());
    method.Add("id", Hex(counters.id()));
    {
      Members ended(method.Key("ended"), "{}");
      for (std::size_t status = 0; status < MethodCounters::kStatuses;
           ++status) {
        if (counters.ended(status) == 0) continue;
        const auto code = static_cast<absl::StatusCode>(status);
        ended.Add(absl::StatusCodeToString(code), counters.ended(status));
      }
    }
    method.Add("timed", counters.timed());
    method.Add("time_ns", counters.time());
    method.Add("longest_ns", counters.longest());
  }
}

void WriteNames(const MethodCounterTable& table, Members& names) {
  const std::uint32_t size = table.size();
  for (std::uint32_t number = 0; number < size; ++number) {
    names.Add(Hex(table.at(number).id()), table.at(number).name());
  }
}

}  // namespace

std::string JsonString(absl::string_view text) {
  std::string json = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte == '"' || byte == '\\') {
      json.push_back('\\');
      json.push_back(character);
    } else if (byte < 0x20 || byte > 0x7e) {
      absl::StrAppendFormat(&json, "\\u%04x", byte);
    } else {
      json.push_back(character);
    }
  }
  json.push_back('"');
  return json;
}

ReportSubject ThisProcess() {
  return {getpid(), program_invocation_short_name};
}

std::string StatReport(const Engine& engine, const ReportSubject& subject) {
  std::string json;
  {
    Members report(json, "{}");
    report.Add("version", 1);
    report.Add("pid", static_cast<std::uint64_t>(subject.pid));
    report.Add("program", subject.program);
    report.Add("time_ns", Now());
    {
      Members counters(report.Key("counters"), "{}");
#define LAUBERHORN_NIC_COUNTER(name, meaning) \
  counters.Add(#name, engine.counters().name.value());
      LAUBERHORN_NIC_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER
    }
    report.Add("queued", engine.queued());
    if (engine.cpus() > 0) {
      report.Add("machine_cpus", engine.cpus());
      report.Add("weight", engine.weight());
      Members cpus(report.Key("cpus"), "{}");
      for (std::uint32_t cpu = 0; cpu < engine.cpus(); ++cpu) {
        const std::uint64_t endpoint = engine.endpoint_on(cpu);
        if (endpoint != 0) cpus.Add(absl::StrCat(cpu), endpoint - 1);
      }
    }
    WriteMethods(engine.served_methods(), report.Key("serves"));
    WriteMethods(engine.called_methods(), report.Key("calls"));
    Edges serve_total;
    Edges call_total;
    {
      Members endpoints(report.Key("endpoints"), "[]");
      for (std::uint32_t number = 0; number < engine.endpoints(); ++number) {
        const Edges serve(engine.edges(number, Which::kServe));
        const Edges call(engine.edges(number, Which::kCall));
        // Whoever uses an endpoint speaks first.
        if (serve.collected + call.collected == 0) continue;
        serve_total.Add(engine.edges(number, Which::kServe));
        call_total.Add(engine.edges(number, Which::kCall));
        Members endpoint(endpoints.Next(), "{}");
        endpoint.Add("endpoint", number);
        endpoint.Add("held", engine.held(number));
        serve.Write(endpoint.Key("serve"));
        call.Write(endpoint.Key("call"));
      }
    }
    Members channels(report.Key("channels"), "{}");
    serve_total.Write(channels.Key("serve"));
    call_total.Write(channels.Key("call"));
  }
  json.push_back('\n');
  return json;
}

std::string TraceLine(const TraceRecord& record) {
  const bool nowhere = record.endpoint == TraceRecord::kNoEndpoint;
  return absl::StrFormat(
      "[%d,\"%s\",\"%x\",\"%x\",%d,%d]\n", record.time, NameOf(record.station),
      record.call, record.method,
      nowhere ? -1 : static_cast<std::int64_t>(record.endpoint),
      int{record.detail});
}

std::string TraceEnd(const Engine& engine, const ReportSubject& subject,
                     std::uint64_t lost) {
  std::string json;
  {
    Members end(json, "{}");
    end.Add("version", 1);
    end.Add("pid", static_cast<std::uint64_t>(subject.pid));
    end.Add("program", subject.program);
    end.Add("lost", lost);
    {
      Members serves(end.Key("serves"), "{}");
      WriteNames(engine.served_methods(), serves);
    }
    Members calls(end.Key("calls"), "{}");
    WriteNames(engine.called_methods(), calls);
  }
  json.push_back('\n');
  return json;
}

}  // namespace lauberhorn::nic
