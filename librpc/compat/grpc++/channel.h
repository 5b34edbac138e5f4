// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/channel.h
//
// The old name of grpcpp/channel.h.
#ifndef GRPCXX_CHANNEL_H_
#define GRPCXX_CHANNEL_H_

#include "grpcpp/channel.h"

#endif  // GRPCXX_CHANNEL_H_
