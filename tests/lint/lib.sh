# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For the linters that are programs of others. Their findings change from
# version to version: those of the reference version fail, those of another
# version are shown and skip.

set -euo pipefail

readonly SKIP=77

lint_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly lint_root

# Prints our C files, one a line, relative to the root; arguments: suffixes.
lint_files() {
	local suffix

	cd "$lint_root"
	for suffix; do
		find core fs tools tests -name "*.$suffix" -type f 2>/dev/null ||
			true
	done | sort
}

# Ends the linter: name, reference version, this version, status so far.
lint_end() {
	local name=$1 reference=$2 version=$3 status=$4

	[ "$status" -ne 0 ] || exit 0
	case $version in
	"$reference" | "$reference".*) exit 1 ;;
	esac
	echo "skipped: $name $version has findings, $reference is the reference"
	exit "$SKIP"
}

# Skips when the program is missing; prints the first number of --version.
lint_version() {
	"$1" --version 2>/dev/null | grep -Eo '[0-9]+(\.[0-9]+)+' | head -n 1
}

lint_need() {
	command -v "$1" >/dev/null && return
	echo "skipped: no $1 (tools/setup --tests installs it)"
	exit "$SKIP"
}
