// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/kit/layout.h
//
// Where the parts of a region lie, as the device says; and whether they can lie
// there.
#ifndef LAUBERHORN_TESTS_CONFORMANCE_KIT_LAYOUT_H_
#define LAUBERHORN_TESTS_CONFORMANCE_KIT_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "abi/host/endpoint.h"
#include "abi/host/process.h"
#include "abi/host/region.h"
#include "tests/conformance/kit/region_file.h"

namespace lauberhorn::conformance {

struct Part {
  std::uint64_t begin;
  std::uint64_t size;
  std::uint64_t alignment;
  std::string name;
};

// What the first process of a region is given, by value: the device is not
// asked twice.
struct Layout {
  lh_info info;
  lh_process_layout process;
  std::vector<lh_endpoint_layout> endpoints;
};

// Reads it. Throws Failure if a table is not inside of the mapping.
Layout ReadLayout(const RegionFile& region);

// Everything that it names. With `emptied`, only what a reset zeroes.
std::vector<Part> PartsOf(const Layout& layout, bool emptied = false);

// Throws Failure if a part is not in the region or the mapping, is not aligned,
// or overlaps another.
void CheckParts(const RegionFile& region, const Layout& layout);

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_KIT_LAYOUT_H_
