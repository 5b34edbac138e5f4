// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/doctor.h
//
// `lauberhorn doctor`: what this machine has of what Lauberhorn can use, what
// is missing, and what to do about it. It changes nothing.
#ifndef LAUBERHORN_CLI_DOCTOR_H_
#define LAUBERHORN_CLI_DOCTOR_H_

#include <string>
#include <vector>

namespace lauberhorn::cli {

struct Finding {
  // kMissing: something that a NIC behind the kernel needs, or is better with.
  // kWrong: something that is there and cannot work.
  enum State { kOk, kMissing, kWrong };

  std::string part;  // of the machine
  State state;
  std::string what;    // in one line
  std::string advice;  // what to do; empty if nothing
};

struct Diagnosis {
  std::vector<Finding> findings;
  // The node at which a program with LAUBERHORN_DEVICE=auto finds a NIC; empty
  // if its NIC is embedded.
  std::string device;
};

// Looks at the machine whose files are under `root`: "" for this one.
Diagnosis Diagnose(const std::string& root);

// The table, and which device a program gets.
std::string DiagnosisText(const Diagnosis& diagnosis);

// The same, as JSON in one line.
std::string DiagnosisJson(const Diagnosis& diagnosis);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_DOCTOR_H_
