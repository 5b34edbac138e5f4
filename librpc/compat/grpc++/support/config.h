// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/support/config.h
//
// The old name of grpcpp/support/config.h.
#ifndef GRPCXX_SUPPORT_CONFIG_H_
#define GRPCXX_SUPPORT_CONFIG_H_

#include "grpcpp/support/config.h"

#endif  // GRPCXX_SUPPORT_CONFIG_H_
