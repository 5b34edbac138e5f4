// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/log.h
//
// Where the log goes: to stderr, with the time; or, if that is the journal,
// with the priority that this reads (sd-daemon(3)).
#ifndef LAUBERHORN_NIC_DAEMON_LOG_H_
#define LAUBERHORN_NIC_DAEMON_LOG_H_

#include <string>

namespace lauberhorn::nic::daemon {

// For whatever is logged from then on, of this level and above.
void SetUpLog(const std::string& level, bool journal);

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_LOG_H_
