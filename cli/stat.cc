// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/stat.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/json.h"
#include "nic/counters.h"

namespace lauberhorn::cli {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// What each counter means, in the order in which they are shown.
constexpr std::pair<const char*, const char*> kCounters[] = {
#define LAUBERHORN_NIC_COUNTER(name, meaning) {#name, meaning},
    LAUBERHORN_NIC_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER
};
constexpr std::pair<const char*, const char*> kEdges[] = {
#define LAUBERHORN_NIC_COUNTER(name, meaning) {#name, meaning},
    LAUBERHORN_NIC_CHANNEL_COUNTERS(LAUBERHORN_NIC_COUNTER)
#undef LAUBERHORN_NIC_COUNTER
};

class Table {
 public:
  Table(const Struct& report, const Struct* before, bool all)
      : report_(report), before_(before), all_(all) {
    if (before == nullptr) return;
    const double time = Number(report, "time_ns") - Number(*before, "time_ns");
    seconds_ = std::max(time, 1.0) / 1e9;
  }

  std::string Write() {
    absl::StrAppendFormat(&text_, "%s, process %d%s\n",
                          Printable(At(report_, "program").string_value()),
                          static_cast<std::int64_t>(Number(report_, "pid")),
                          before_ == nullptr ? "" : ", per second");
    Counters();
    Edges();
    Methods("serves", "methods that it serves");
    Methods("calls", "methods that it calls");
    Endpoints();
    return std::move(text_);
  }

 private:
  // A number of the report, or how much it grew in a second.
  double Value(const Struct& now, const Struct* earlier,
               const std::string& key) const {
    const double value = Number(now, key);
    if (before_ == nullptr) return value;
    return (value - (earlier == nullptr ? 0 : Number(*earlier, key))) /
           seconds_;
  }

  void Line(absl::string_view name, double value, absl::string_view meaning) {
    if (value == 0 && !all_) return;
    absl::StrAppendFormat(&text_, "  %-22s %14.0f  %s\n", name, value, meaning);
  }

  void Counters() {
    const Struct& now = Object(report_, "counters");
    const Struct* const earlier =
        before_ == nullptr ? nullptr : &Object(*before_, "counters");
    text_ += "\ncounters\n";
    for (const auto& [name, meaning] : kCounters) {
      Line(name, Value(now, earlier, name), meaning);
    }
  }

  void Edges() {
    for (const char* const kind : {"serve", "call"}) {
      const Struct& now = Object(Object(report_, "channels"), kind);
      const Struct* const earlier =
          before_ == nullptr ? nullptr
                             : &Object(Object(*before_, "channels"), kind);
      absl::StrAppendFormat(&text_, "\nedges of the %s channels\n", kind);
      for (const auto& [name, meaning] : kEdges) {
        Line(name, Value(now, earlier, name), meaning);
      }
    }
  }

  // The entry of `list` in the earlier report whose `key` is the same.
  const Struct* Earlier(const std::string& list, const std::string& key,
                        const Struct& now) const {
    if (before_ == nullptr) return nullptr;
    for (const auto& entry : At(*before_, list).list_value().values()) {
      const auto& other = At(entry.struct_value(), key);
      const auto& own = At(now, key);
      if (other.string_value() == own.string_value() &&
          other.number_value() == own.number_value()) {
        return &entry.struct_value();
      }
    }
    return nullptr;
  }

  void Methods(const std::string& list, absl::string_view title) {
    const auto& methods = At(report_, list).list_value().values();
    if (methods.empty()) return;
    absl::StrAppendFormat(&text_, "\n%-36s %12s %10s %10s %10s  %s\n", title,
                          "calls", "errors", "mean us", "max us",
                          "errors by status");
    for (const auto& entry : methods) Method(list, entry.struct_value());
  }

  void Method(const std::string& list, const Struct& method) {
    const Struct* const earlier = Earlier(list, "name", method);
    const Struct& ended = Object(method, "ended");
    const Struct* const earlier_ended =
        earlier == nullptr ? nullptr : &Object(*earlier, "ended");
    double calls = 0;
    double errors = 0;
    std::map<std::string, std::string> by_status;
    for (const auto& [status, count] : ended.fields()) {
      const double value = Value(ended, earlier_ended, status);
      calls += value;
      if (status == "OK" || value == 0) continue;
      errors += value;
      by_status[status] = absl::StrFormat("%s %.0f", Printable(status), value);
    }
    const double timed = Value(method, earlier, "timed");
    const double time = Value(method, earlier, "time_ns");
    absl::StrAppendFormat(
        &text_, "  %-34s %12.0f %10.0f %10.1f %10.1f  %s\n",
        Printable(At(method, "name").string_value()), calls, errors,
        timed > 0 ? time / timed / 1e3 : 0, Number(method, "longest_ns") / 1e3,
        absl::StrJoin(by_status, ", ",
                      [](std::string* out, const auto& status) {
                        out->append(status.second);
                      }));
  }

  void Endpoints() {
    const auto& endpoints = At(report_, "endpoints").list_value().values();
    if (endpoints.empty()) return;
    absl::StrAppendFormat(&text_, "\n%-12s %12s %12s %12s %6s %12s %12s\n",
                          "endpoint", "delivered", "woken", "taken back",
                          "held", "own calls", "answers");
    for (const auto& entry : endpoints) {
      const Struct& now = entry.struct_value();
      const Struct* const earlier = Earlier("endpoints", "endpoint", now);
      const auto value = [&](const char* channel, const char* name) {
        return Value(Object(now, channel),
                     earlier == nullptr ? nullptr : &Object(*earlier, channel),
                     name);
      };
      absl::StrAppendFormat(
          &text_, "  %-10.0f %12.0f %12.0f %12.0f %6.0f %12.0f %12.0f\n",
          Number(now, "endpoint"), value("serve", "delivered"),
          value("serve", "parked"), value("serve", "revoked"),
          Number(now, "held"), value("call", "collected"),
          value("call", "delivered"));
    }
  }

  const Struct& report_;
  const Struct* const before_;
  const bool all_;
  double seconds_ = 1;
  std::string text_;
};

}  // namespace

std::string StatTable(const Struct& report, const Struct* before, bool all) {
  return Table(report, before, all).Write();
}

}  // namespace lauberhorn::cli
