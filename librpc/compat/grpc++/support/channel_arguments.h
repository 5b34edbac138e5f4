// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/support/channel_arguments.h
//
// The old name of grpcpp/support/channel_arguments.h.
#ifndef GRPCXX_SUPPORT_CHANNEL_ARGUMENTS_H_
#define GRPCXX_SUPPORT_CHANNEL_ARGUMENTS_H_

#include "grpcpp/support/channel_arguments.h"

#endif  // GRPCXX_SUPPORT_CHANNEL_ARGUMENTS_H_
