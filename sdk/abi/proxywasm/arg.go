package proxywasm

import "strings"

// Kind is what a guest gives or gets by one argument of a function, which takes one
// parameter or two.
type Kind uint8

// The kinds.
const (
	U32     Kind = iota // a number, an identifier, a truth value
	S32                 // a number that may be negative
	U64                 // a large number
	S64                 // a large number that may be negative
	Bytes               // where bytes of the guest's are, and how many
	ToU32               // where the host writes four bytes, the least significant first
	ToU64               // where the host writes eight bytes
	ToBytes             // where the host writes where it has put bytes, and where, how many
)

// Arg is one argument of a function.
type Arg struct {
	Name string // words with "_" between them
	Kind Kind
}

// Args is the arguments of a function, in their order.
type Args []Arg

// Types returns the parameters that they take.
func (a Args) Types() []ValueType {
	var types []ValueType
	for _, arg := range a {
		switch arg.Kind {
		case U64, S64:
			types = append(types, I64)
		case Bytes, ToBytes:
			types = append(types, I32, I32)
		default:
			types = append(types, I32)
		}
	}
	return types
}

// kindOf tells a kind by the sign behind a name.
func kindOf(sign byte) (k Kind, ok bool) {
	switch sign {
	case '-':
		return S32, true
	case '*':
		return U64, true
	case '~':
		return S64, true
	case '+':
		return Bytes, true
	case '>':
		return ToU32, true
	case ']':
		return ToU64, true
	case '@':
		return ToBytes, true
	}
	return U32, false
}

// args reads words, each a name and, where it is no U32, the sign of its kind.
func args(words string) Args {
	var list Args
	for word := range strings.FieldsSeq(words) {
		arg := Arg{Name: word}
		if kind, ok := kindOf(word[len(word)-1]); ok {
			arg = Arg{word[:len(word)-1], kind}
		}
		list = append(list, arg)
	}
	return list
}
