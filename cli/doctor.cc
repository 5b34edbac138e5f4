// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor.h"

#include <fcntl.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "abi/host/device.h"
#include "abi/host/region.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace lauberhorn::cli {
namespace {

// A NIC that is woken, a service and its client: fewer take turns.
constexpr std::size_t kGoodCpus = 2;

// The first line of a small file; nothing if it cannot be read.
std::optional<std::string> Line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

Finding Kernel(const std::string& root) {
  const std::string release =
      Line(root + "/proc/sys/kernel/osrelease").value_or("of unknown release");
  const auto dispatch = Line(root + "/sys/kernel/lauberhorn/dispatch");
  if (!dispatch.has_value()) {
    return {"kernel", Finding::kMissing,
            absl::StrCat(release,
                         ", without the scheduler's hooks: a NIC sees by "
                         "tracepoints which thread runs where, and cannot "
                         "say where"),
            "build one with linux-patches/ (docs/platform.md)"};
  }
  if (*dispatch == "0") {
    return {"kernel", Finding::kMissing,
            absl::StrCat(release, ", whose scheduler's hooks are off"),
            "echo 1 >/sys/kernel/lauberhorn/dispatch, or boot without "
            "lauberhorn=off"};
  }
  return {"kernel", Finding::kOk,
          absl::StrCat(release, ", with the scheduler's hooks"), ""};
}

std::optional<Finding> Stalls(const std::string& root) {
  const auto stalls = Line(root + "/sys/kernel/lauberhorn/stalls");
  if (!stalls.has_value() || *stalls == "0") return std::nullopt;
  return Finding{"stalls", Finding::kWrong,
                 absl::StrCat("the kernel saw CPUs stall on a device: ",
                              *stalls, " times"),
                 "look into the kernel's log; the device holds loads for too "
                 "long"};
}

Finding Module(const std::string& root) {
  if (std::filesystem::exists(root + "/sys/module/lauberhorn")) {
    return {"module", Finding::kOk, "lauberhorn is loaded", ""};
  }
  return {"module", Finding::kMissing, "lauberhorn is not loaded",
          "modprobe lauberhorn; docs/module.md tells how to build it"};
}

// The devices' names, such as lauberhorn0.
std::vector<std::string> Devices(const std::string& root) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(
           root + "/sys/class/lauberhorn", error)) {
    const std::string name = entry.path().filename();
    int number;
    if (absl::SimpleAtoi(absl::StripPrefix(name, "lauberhorn"), &number)) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string FeaturesText(const std::string& hex, const std::string& missing) {
  std::uint64_t features = 0;
  (void)absl::SimpleHexAtoi(hex, &features);
  if (features != 0 && missing != "nothing") {
    return absl::StrCat(
        "it sees by tracepoints where threads run, as there is no ", missing);
  }
  if ((features & LH_DEVICE_KERNEL_CHANNELS) != 0) {
    return "it sees where threads run, and idle CPUs wake them";
  }
  if ((features & LH_DEVICE_STATE_WORDS) != 0) {
    return "it sees where threads run";
  }
  return "it does not see where threads run";
}

// A device by what the kernel says, before anybody opens it.
Finding Nic(const std::string& root, const std::string& name) {
  const std::string folder = root + "/sys/class/lauberhorn/" + name;
  const std::string contract = Line(folder + "/abi").value_or("?");
  if (contract.substr(0, contract.find('.')) !=
      absl::StrCat(LH_VERSION_MAJOR)) {
    return {name, Finding::kWrong,
            absl::StrCat("the module speaks version ", contract,
                         " of the contract, this program version ",
                         LH_VERSION_MAJOR),
            "use module and library of one release"};
  }
  const std::string status = Line(folder + "/status").value_or("?");
  if (status != "ready") {
    return {name, Finding::kMissing,
            absl::StrCat("no NIC serves it (", status, ")"),
            "systemctl start lauberhornd, or run lauberhornd as root"};
  }
  return {
      name, Finding::kOk,
      absl::StrCat("its NIC serves ", Line(folder + "/processes").value_or("?"),
                   " processes; ",
                   FeaturesText(Line(folder + "/features").value_or(""),
                                Line(folder + "/missing").value_or("nothing"))),
      ""};
}

// Whether who asks may use the device.
Finding Access(const std::string& root, const std::string& name) {
  const std::string node = root + "/dev/" + name;
  const std::string part = "/dev/" + name;
  const int descriptor = open(node.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor >= 0) {
    lh_device_info info;
    const bool device = ioctl(descriptor, LH_DEVICE_INFO, &info) == 0;
    close(descriptor);
    if (device) return {part, Finding::kOk, "this user may use it", ""};
    return {part, Finding::kWrong, "is no device of this module",
            absl::StrCat("remove ", part, ", and load the module again")};
  }
  if (errno == EACCES || errno == EPERM) {
    return {part, Finding::kMissing, "this user may not use it",
            absl::StrCat("as root: chgrp GROUP ", part,
                         ", or a rule of udev (docs/module.md)")};
  }
  return {part, Finding::kWrong,
          absl::StrCat("cannot be opened: ", std::strerror(errno)),
          "udevadm trigger, or mknod: the module has it, /dev has not"};
}

Finding Cpus() {
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  const bool good = count >= static_cast<long>(kGoodCpus);
  return {"processors", good ? Finding::kOk : Finding::kMissing,
          absl::StrCat(count, " online"),
          good ? "" : "NIC, service and client take turns on one"};
}

const char* StateText(Finding::State state) {
  switch (state) {
    case Finding::kOk:
      return "ok";
    case Finding::kMissing:
      return "missing";
    case Finding::kWrong:
      return "WRONG";
  }
  return "?";
}

std::string DeviceText(const Diagnosis& diagnosis) {
  return diagnosis.device.empty()
             ? "A program runs with an embedded NIC: nothing of the above is "
               "needed for that."
             : absl::StrCat(
                   "A program with LAUBERHORN_DEVICE=auto in its "
                   "environment uses ",
                   diagnosis.device, "; without, an embedded NIC.");
}

}  // namespace

Diagnosis Diagnose(const std::string& root) {
  Diagnosis diagnosis;
  std::vector<Finding>& findings = diagnosis.findings;
  findings.push_back(Cpus());
  findings.push_back(Kernel(root));
  if (const auto stalls = Stalls(root)) findings.push_back(*stalls);
  findings.push_back(Module(root));
  for (const std::string& name : Devices(root)) {
    const Finding nic = Nic(root, name);
    const Finding access = Access(root, name);
    // `auto` looks at the first only.
    if (name == "lauberhorn0" && nic.state == Finding::kOk &&
        access.state == Finding::kOk) {
      diagnosis.device = "/dev/" + name;
    }
    findings.push_back(nic);
    findings.push_back(access);
  }
  return diagnosis;
}

std::string DiagnosisText(const Diagnosis& diagnosis) {
  std::string text;
  for (const Finding& finding : diagnosis.findings) {
    absl::StrAppendFormat(&text, "%-16s %-8s %s\n", finding.part,
                          StateText(finding.state), finding.what);
    if (!finding.advice.empty()) {
      absl::StrAppendFormat(&text, "%26s%s\n", "-> ", finding.advice);
    }
  }
  absl::StrAppend(&text, "\n", DeviceText(diagnosis), "\n");
  return text;
}

std::string DiagnosisJson(const Diagnosis& diagnosis) {
  google::protobuf::Struct json;
  auto& fields = *json.mutable_fields();
  fields["device"].set_string_value(
      diagnosis.device.empty() ? "embedded" : diagnosis.device);
  auto& findings = *fields["findings"].mutable_list_value();
  for (const Finding& finding : diagnosis.findings) {
    auto& entry =
        *findings.add_values()->mutable_struct_value()->mutable_fields();
    entry["part"].set_string_value(finding.part);
    entry["state"].set_string_value(StateText(finding.state));
    entry["what"].set_string_value(finding.what);
    entry["advice"].set_string_value(finding.advice);
  }
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(json, &text);
  return text;
}

}  // namespace lauberhorn::cli
