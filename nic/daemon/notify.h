// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/notify.h
//
// Tells the service manager how it goes: sd_notify(3), which is a datagram.
#ifndef LAUBERHORN_NIC_DAEMON_NOTIFY_H_
#define LAUBERHORN_NIC_DAEMON_NOTIFY_H_

#include <string>

#include "absl/strings/string_view.h"

namespace lauberhorn::nic::daemon {

// Sends the state, such as "READY=1", to the socket of this name: that of
// $NOTIFY_SOCKET. Nothing if that is empty, or nobody listens.
void Notify(const std::string& socket, absl::string_view state);

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_NOTIFY_H_
