// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/offspring.h
//
// Children of a process that serves.
#ifndef LAUBERHORN_TESTS_VM_SERVE_OFFSPRING_H_
#define LAUBERHORN_TESTS_VM_SERVE_OFFSPRING_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::serve {

// For a handler: makes a child. `call` calls a service, by what the parent
// calls it by, or waits for a NIC first.
//
//   exits   fork; exit(), with all that belongs to it
//   execs   fork; exec
//   vforks  vfork; calls in the parent's memory; exec
//   calls   fork; the call fails at once, as the NIC is the parent's, and
//           succeeds when the child has its own
//   stays   the same, and then it lives on
//
// Returns how it ended, 0 if well; or the process that lives on.
int MakeChild(absl::string_view how,
              const std::function<absl::Status(bool wait)>& call);

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_OFFSPRING_H_
