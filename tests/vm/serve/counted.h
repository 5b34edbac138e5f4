// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/counted.h
//
// What the NIC has counted of a process, as `lauberhorn stat` shows it.
#ifndef LAUBERHORN_TESTS_VM_SERVE_COUNTED_H_
#define LAUBERHORN_TESTS_VM_SERVE_COUNTED_H_

#include <google/protobuf/struct.pb.h>
#include <sys/types.h>

namespace lauberhorn::serve {

class Counted {
 public:
  // Until now.
  explicit Counted(pid_t pid);

  double operator[](const char* counter) const;

 private:
  google::protobuf::Struct counters_;
};

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_COUNTED_H_
