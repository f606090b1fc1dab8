# SPDX-License-Identifier: Apache-2.0
"""What the SCons tools share: variables, model files, commands of literal words, and what each stage makes."""
