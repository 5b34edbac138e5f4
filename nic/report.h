// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/report.h
//
// What an engine says of itself, as JSON: its counters, and the records of its
// trace. From any thread while the engine lives; nothing here makes it wait.
// The numbers are not of one moment: each is a little old.
#ifndef LAUBERHORN_NIC_REPORT_H_
#define LAUBERHORN_NIC_REPORT_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "nic/engine.h"

namespace lauberhorn::nic {

// The process that a report is of: this one, or one that this one serves.
struct ReportSubject {
  pid_t pid;
  std::string program;
};
ReportSubject ThisProcess();

// A string of JSON, in quotes. Bytes that are not ASCII are written as if they
// were Latin-1: whatever comes, it is valid JSON.
std::string JsonString(absl::string_view text);

// All counters, in one line: those of the engine; of all channels by kind; of
// each method that was registered or named; of each endpoint that was used.
std::string StatReport(const Engine& engine, const ReportSubject& subject);

// One record, as a line: [time in ns, station, call, method, endpoint, detail].
// The handles are hexadecimal strings, as JavaScript has no such integers;
// endpoint is -1 if there is none.
std::string TraceLine(const TraceRecord& record);

// What ends the lines of a trace: how many records were overwritten before they
// were read, and the names of the methods, by id.
std::string TraceEnd(const Engine& engine, const ReportSubject& subject,
                     std::uint64_t lost);

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_REPORT_H_
