# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# What echo.proto says, for Cap'n Proto.
@0x84d923ee898ba636;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("bench::capnproto");

interface Echo {
  echo @0 (message :EchoMessage) -> (message :EchoMessage);
}

struct EchoMessage {
  payload @0 :Data;
  record @1 :Record;
}

struct Record {
  id @0 :UInt64;
  name @1 :Text;
  mail @2 :Text;
  age @3 :Int32;
  balance @4 :Float64;
  active @5 :Bool;
  created @6 :UInt64;
  offset @7 :Int32;
  digest @8 :Data;
  flags @9 :UInt32;
}
