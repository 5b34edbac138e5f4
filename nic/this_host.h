// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/this_host.h
//
// Which addresses are of this host, as seen from the network namespace of the
// process. Thread-safe.
#ifndef LAUBERHORN_NIC_THIS_HOST_H_
#define LAUBERHORN_NIC_THIS_HOST_H_

#include "nic/address.h"

namespace lauberhorn::nic {

// Whether packets to the address stay on this host. Three system calls, unless
// it is a loopback address.
bool IsOfThisHost(const Address& address);

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_THIS_HOST_H_
