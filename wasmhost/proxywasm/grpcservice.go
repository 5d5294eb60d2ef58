package proxywasm

import (
	"encoding/binary"
	"errors"
)

// serviceOf finds out which upstream a guest means: SDKs give the name of a cluster, or
// an envoy.config.core.v3.GrpcService message that holds one. Every such message has a
// control character, the tag of one of its first two fields, and no name has.
func serviceOf(b []byte) (string, error) {
	if len(b) > maxService {
		return "", errProto
	}
	message := false
	for _, c := range b {
		message = message || c < ' '
	}
	if !message {
		return string(b), nil
	}
	target := ""
	err := protoFields(b, func(field int, value []byte) error {
		if field != 1 && field != 2 { // envoy_grpc, google_grpc
			return nil
		}
		return protoFields(value, func(field int, value []byte) error {
			if field == 1 { // cluster_name, target_uri
				target = string(value)
			}
			return nil
		})
	})
	if err == nil && target == "" {
		err = errors.New("read GrpcService: it names no cluster")
	}
	return target, err
}

// maxService is how long such a message may be: it may hold metadata, too.
const maxService = 64 << 10

var errProto = errors.New("read GrpcService: malformed message")

// protoFields calls each for the length-delimited fields of a protobuf message, and
// passes over others.
func protoFields(b []byte, each func(field int, value []byte) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return errProto
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(b); n <= 0 {
				return errProto
			}
		case 1:
			n = 8
		case 5:
			n = 4
		case 2:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return errProto
			}
			n = k + int(size)
			if err := each(int(tag>>3), b[k:n]); err != nil {
				return err
			}
		default:
			return errProto
		}
		if n > len(b) {
			return errProto
		}
		b = b[n:]
	}
	return nil
}
