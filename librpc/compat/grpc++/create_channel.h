// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/create_channel.h
//
// The old name of grpcpp/create_channel.h.
#ifndef GRPCXX_CREATE_CHANNEL_H_
#define GRPCXX_CREATE_CHANNEL_H_

#include "grpcpp/create_channel.h"

#endif  // GRPCXX_CREATE_CHANNEL_H_
