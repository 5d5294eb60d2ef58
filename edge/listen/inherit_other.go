//go:build !unix

package listen

import (
	"errors"
	"os"
)

func adopt(int) (*os.File, error) {
	return nil, errors.New("this system does not hand over sockets by number")
}

func kindOf(*os.File) socketKind { return otherSocket }
