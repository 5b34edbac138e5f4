// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/device_layout.h
//
// Where things are in a process's part of a region, as a NIC says that is not
// to be trusted: read once, and checked to lie in the part. What is used
// afterwards is the copy; the NIC may write whatever it likes meanwhile.
#ifndef LAUBERHORN_LIBRPC_DEVICE_LAYOUT_H_
#define LAUBERHORN_LIBRPC_DEVICE_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "abi/host/endpoint.h"
#include "abi/host/process.h"
#include "abi/host/region.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace lauberhorn {

struct DeviceLayout {
  lh_info info;
  lh_process_layout process;
  std::vector<lh_endpoint_layout> endpoints;
};

// Of a part that begins with its information page. What the process writes to
// lies beyond that page. Errors: those of CheckDevice(); INTERNAL, with what is
// wrong, if the layout cannot be used.
absl::StatusOr<DeviceLayout> ReadDeviceLayout(
    absl::Span<const std::uint8_t> part);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_DEVICE_LAYOUT_H_
