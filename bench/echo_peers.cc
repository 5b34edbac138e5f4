// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/echo_peers.h"

namespace lauberhorn::bench {

absl::Status WrongReply() {
  return absl::InternalError("the reply is not the request");
}

}  // namespace lauberhorn::bench
