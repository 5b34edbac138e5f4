// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// The region and the handshake.

#include <algorithm>
#include <cstring>
#include <set>

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {
namespace {

void BeginsWithItsPage(Host& host) {
  const lh_info& info = host.info();
  ExpectEqual(info.magic, LH_MAGIC, "magic");
  ExpectEqual(info.version_major, LH_VERSION_MAJOR, "version_major");
  ExpectEqual(info.features & ~LH_FEATURES, 0, "features that are not known:");
  ExpectEqual(info.status, LH_STATUS_READY, "status");
  Expect(info.overflow_size > 0, "overflow blocks", "overflow_size 0");
}

template <typename Field>
void ExpectZero(const Field& field, const char* what) {
  for (const char byte : Bytes(field)) {
    ExpectEqual(static_cast<std::uint8_t>(byte), 0, what);
  }
}

void ReservedFieldsAreZero(Host& host) {
  const Host::Service service = host.Serve();
  host.AwaitEnd(host.endpoint(0), host.Call(service, host.endpoint(0), "", 1));
  const lh_info info = host.region().info();
  ExpectZero(info.reserved0, "reserved0 of lh_info:");
  ExpectZero(info.reserved1, "reserved1 of lh_info:");
  ExpectZero(info.reserved3, "reserved3 of lh_info:");
  ExpectZero(info.reserved4, "reserved4 of lh_info:");
  ExpectZero(host.layout().process.reserved, "reserved of lh_process_layout:");
  for (const lh_endpoint_layout& endpoint : host.layout().endpoints) {
    ExpectZero(endpoint.reserved, "reserved of lh_endpoint_layout:");
    for (const lh_channel_layout* channel : {&endpoint.serve, &endpoint.call}) {
      ExpectZero(channel->reserved, "reserved of lh_channel_layout:");
      ExpectZero(host.StateOf(*channel).reserved,
                 "reserved of lh_channel_state:");
    }
  }
}

// A later version may say something there, which is not for this device.
void ReservedFieldsAreIgnored(Host& host) {
  lh_command_limits limits = {};
  limits.running = limits.threads = limits.queued = 4;
  limits.reserved = ~0u;
  if (!host.IsWithout("CONTROL-16")) {
    host.Good(LH_COMMAND_LIMITS, Bytes(limits));
  }
  lh_command_method method = {};
  method.server = host.OpenServer();
  method.method = MethodId(Host::kMethodName);
  method.name_length = Host::kMethodName.size();
  method.reserved = ~0u;
  host.Good(LH_COMMAND_METHOD_ADD,
            Bytes(method) + std::string(Host::kMethodName));
  lh_command_listen listen = {};
  listen.server = method.server;
  listen.address = host.options().address;
  listen.address.reserved = 0xffff;
  const std::uint64_t port = host.Good(LH_COMMAND_LISTEN, Bytes(listen));
  listen.server = 0;
  listen.address.port = static_cast<__u16>(port);
  const std::uint64_t peer = host.Good(LH_COMMAND_CONNECT, Bytes(listen));
  host.region().info().reserved2[0] = ~std::uint64_t{0};
  host.Empty(host.endpoint(0));
  const std::uint64_t made =
      host.Call({method.server, static_cast<std::uint16_t>(port), peer},
                host.endpoint(1));
  host.Reply(host.endpoint(0), host.AwaitCall(host.endpoint(0)).header.call);
  host.AwaitEnd(host.endpoint(1), made, kOk);
  host.region().info().reserved2[0] = 0;
}

// Host::Reset() does: all else follows the offsets.
void PartsLieApart(Host& host) {
  CheckParts(host.region(), host.layout());
  Expect(host.info().region_size <= host.region().size(),
         "region_size of at most what is mapped",
         Hex(host.info().region_size) + " of " + Hex(host.region().size()));
  Expect(host.layout().process.call_count > 0, "calls of the process", "none");
}

void PageStays(Host& host) {
  const lh_info before = host.info();
  const Host::Service service = host.Serve();
  host.Call(service, host.endpoint(0));
  host.Reset();
  const lh_info after = host.info();
  Expect(std::memcmp(&before, &after, offsetof(lh_info, device_epoch)) == 0,
         "a page that says after a reset what it said before",
         "it says something else");
  ExpectEqual(host.region().info().request, LH_REQUEST_RESET,
              "the driver's request as the driver left it:");
}

void ChannelsHaveBells(Host& host) {
  std::set<std::uint32_t> bits;
  for (const lh_endpoint_layout& endpoint : host.layout().endpoints) {
    for (const lh_channel_layout* channel : {&endpoint.serve, &endpoint.call}) {
      Expect(channel->bell < host.layout().process.bell_lines * LH_BELL_BITS,
             "a bit in the bell lines", "bit " + Hex(channel->bell));
      Expect(bits.insert(channel->bell).second,
             "a bell bit of each channel's own",
             "two have bit " + Hex(channel->bell));
    }
  }
}

void EndpointsNameThemselves(Host& host) {
  for (std::uint32_t at = 0; at < host.endpoints(); ++at) {
    const lh_endpoint_layout& endpoint = host.layout().endpoints[at];
    ExpectEqual(endpoint.index, at, "index of the endpoint");
    Expect(endpoint.generation != 0, "a generation that is not 0", "0");
  }
}

void ControlEndpointIsOpen(Host& host) {
  ExpectEqual(host.Command(LH_COMMAND_SERVER_OPEN).header.code, kOk,
              "status of a first command:");
}

void CallWordsCoverAllIndices(Host& host) {
  const lh_process_layout& process = host.layout().process;
  const Host::Service service = host.Serve();
  host.Empty(host.endpoint(0));
  host.Call(service, host.endpoint(1));
  const std::uint64_t handle = host.AwaitCall(host.endpoint(0)).header.call;
  Expect(lh_handle_index(handle) < process.call_first,
         "an index below call_first of a call that arrives",
         Hex(lh_handle_index(handle)));
}

void DeadlinesAreInDeviceTime(Host& host) {
  Expect(host.info().clock_mult != 0 && host.info().clock_shift < 64,
         "a clock that goes", "clock_mult 0 or clock_shift 64 or more");
  const Host::Service service = host.Serve();
  const std::uint32_t caller = host.endpoint(0);
  const std::uint64_t begun = host.Now();
  const std::uint64_t span =
      (50'000'000ull * host.info().clock_mult) >> host.info().clock_shift;
  const std::uint64_t call = host.Call(service, caller, "", begun + span);
  host.AwaitEnd(caller, call, kDeadlineExceeded);
  Expect(host.Now() >= begun + span, "no end before the deadline",
         "it came at " + Hex(host.Now() - begun) + " of " + Hex(span));
}

void ResetsToANewEpoch(Host& host) {
  for (int times = 0; times < 3; ++times) {
    const std::uint64_t before = host.info().device_epoch;
    host.Reset();
    Expect(host.info().device_epoch > before && before != 0,
           "a device_epoch above " + Hex(before),
           Hex(host.info().device_epoch));
    ExpectEqual(host.layout().process.epoch, host.info().device_epoch,
                "the epoch in the process's layout");
  }
}

// All that a reset is to zero, and a stray bit of it.
void ExpectEmpty(Host& host) {
  for (const Part& part : PartsOf(host.layout(), true)) {
    // A device may watch a channel from the beginning.
    const std::uint64_t from =
        part.name.rfind("the state", 0) == 0 ? sizeof(__u64) : 0;
    for (std::uint64_t at = part.begin + from; at < part.begin + part.size;
         ++at) {
      Expect(*host.At<std::uint8_t>(at) == 0, part.name + " zeroed by a reset",
             "byte " + Hex(at - part.begin) + " is " +
                 Hex(*host.At<std::uint8_t>(at)));
    }
  }
}

void ResetForgets(Host& host) {
  ExpectEmpty(host);
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  // Positions that are not 0, calls that nobody answers, a bell.
  for (std::uint32_t round = 0; round <= host.slots(); ++round) {
    host.Await(host.call(caller),
               "an answer to " + Hex(host.CallNobody(caller)));
  }
  host.Empty(worker);
  const std::string longest(host.most_payload(), 'x');
  host.Call(service, caller, longest);
  host.AwaitCall(worker);
  host.Call(service, caller, longest);
  const std::uint32_t unused = host.endpoint(2);
  lh_bell_set(&host.call(unused).channel().bell);
  host.Reset();
  ExpectEmpty(host);
  // Nothing of the last epoch comes or is known.
  host.Empty(worker);
  host.Settle();
  Expect(!host.serve(worker).HasMessage() && !host.call(caller).HasMessage(),
         "no message of the last epoch", "there is one");
  lh_command_listen listen = {};
  listen.server = service.server;
  listen.address = host.options().address;
  ExpectEqual(host.Command(LH_COMMAND_LISTEN, Bytes(listen)).header.code,
              kNotFound, "status of LISTEN for a server of the last epoch:");
  const std::uint64_t call = host.Call(service, caller);
  host.AwaitEnd(caller, call, kInvalidArgument);
  // Its port is free, and serves again.
  const std::uint64_t server = host.OpenServer();
  host.AddMethod(server, Host::kMethodName);
  host.Listen(server, service.port);
}

void EpochIsResetOnce(Host& host) {
  const std::uint64_t epoch = host.info().device_epoch;
  lh_store_release(&host.region().info().request, LH_REQUEST_RESET);
  host.Settle();
  ExpectEqual(lh_load_acquire(&host.region().info().device_epoch), epoch,
              "without a new driver_epoch, device_epoch still");
}

void HeartBeats(Host& host) {
  if (host.info().t_dead_ms == 0) throw NotApplicable{"t_dead_ms is 0"};
  const std::uint64_t before = lh_load_acquire(&host.region().info().heartbeat);
  host.Until("a heartbeat", [&] {
    return lh_load_acquire(&host.region().info().heartbeat) != before;
  });
}

constexpr Test kTests[] = {
    {"REGION-1 VERSION-4", "the region begins with its information page",
     BeginsWithItsPage},
    {"VERSION-5", "reserved fields are zero", ReservedFieldsAreZero},
    {"VERSION-6", "what stands in the driver's is ignored",
     ReservedFieldsAreIgnored},
    {"REGION-3 REGION-4 REGION-5",
     "all parts lie in the region, aligned and apart", PartsLieApart},
    {"REGION-2", "a reset changes nothing of what the page says", PageStays},
    {"REGION-6", "each channel has a bell bit of its own", ChannelsHaveBells},
    {"REGION-7", "each endpoint's layout names it", EndpointsNameThemselves},
    {"REGION-8", "the control endpoint is open from the beginning",
     ControlEndpointIsOpen},
    {"REGION-9", "calls that arrive have indices below call_first",
     CallWordsCoverAllIndices},
    {"REGION-10", "deadlines are in device time", DeadlinesAreInDeviceTime},
    {"HANDSHAKE-1 HANDSHAKE-2 HANDSHAKE-4 HANDSHAKE-10",
     "each reset ends READY, in a higher epoch", ResetsToANewEpoch},
    {"HANDSHAKE-3", "a reset forgets everything and zeroes all lanes",
     ResetForgets},
    {"HANDSHAKE-2", "a driver's epoch is reset once", EpochIsResetOnce},
    {"HANDSHAKE-8", "the heart beats", HeartBeats},
};

}  // namespace

std::span<const Test> RegionTests() { return kTests; }

}  // namespace lauberhorn::conformance
