// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/random.h"

#include "abi/host/types.h"

namespace lauberhorn::serve {

std::uint64_t SomeNumber(Random& random) {
  switch (Below(random, 4)) {
    case 0:
      return Below(random, 8);
    case 1:
      return lh_handle(static_cast<__u32>(Below(random, 64)),
                       static_cast<__u32>(Below(random, 4)));
    case 2:
      return std::uint64_t{1} << Below(random, 64);
    default:
      return random();
  }
}

lh_message SomeMessage(Random& random) {
  lh_message header = {};
  header.call = SomeNumber(random);
  header.code = Below(random, 2) == 0 ? Below(random, 16) : SomeNumber(random);
  header.data = SomeNumber(random);
  header.deadline = Below(random, 2) == 0 ? 0 : SomeNumber(random);
  header.length = static_cast<__u32>(SomeNumber(random));
  header.kind = static_cast<__u8>(Below(random, 24));
  header.flags = static_cast<__u8>(Below(random, 2) == 0 ? 0 : random());
  header.aux = static_cast<__u16>(SomeNumber(random));
  return header;
}

}  // namespace lauberhorn::serve
