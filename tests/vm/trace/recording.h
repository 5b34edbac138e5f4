// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/trace/recording.h
//
// What tests/vm/modules/recorder wrote, read and in words.
#ifndef LAUBERHORN_TESTS_VM_TRACE_RECORDING_H_
#define LAUBERHORN_TESTS_VM_TRACE_RECORDING_H_

#include <optional>
#include <string>
#include <vector>

#include "tests/vm/modules/recorder/record.h"

namespace lauberhorn::trace {

struct Recording {
  unsigned cpus = 0;
  std::vector<lh_record> records;  // in the order of their numbers
};

// Reads a file; nothing, and why, if it is none, or if a record is missing.
std::optional<Recording> ReadRecording(const std::string& path,
                                       std::string& error);

// A line about a record.
std::string Describe(const lh_record& record);

// Whether a record says something about what the other one is about.
bool Concerns(const lh_record& record, const lh_record& other);

}  // namespace lauberhorn::trace

#endif  // LAUBERHORN_TESTS_VM_TRACE_RECORDING_H_
