#include "tests/support/pbjson_cases.h"

#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/wiretest/v1/wiretest.pb-c.h"

#define SCALARS "lgsp.wiretest.v1.Scalars", &wiretest__scalars__descriptor
#define LISTS   "lgsp.wiretest.v1.Lists", &wiretest__lists__descriptor
#define CHOICE  "lgsp.wiretest.v1.Choice", &wiretest__choice__descriptor
#define TREE    "lgsp.wiretest.v1.Tree", &wiretest__tree__descriptor
#define SUBMIT  "lgsp.dossier.v1.SubmitRequest", &dossier__submit_request__descriptor

const struct pbjson_case pbjson_cases[] = {
	{SCALARS, "{}", "{}"},
	{SCALARS, " {\t\"anInt32\" : 1 }\r\n", "{\"anInt32\":1}"},
	{SCALARS, "{\"an_int32\":1}", "{\"anInt32\":1}"},
	{SCALARS, "{\"anInt32\":-2147483648,\"aSint32\":2147483647,\"aSfixed32\":-1}",
	 "{\"anInt32\":-2147483648,\"aSint32\":2147483647,\"aSfixed32\":-1}"},
	{SCALARS, "{\"anInt32\":1e3}", "{\"anInt32\":1000}"},
	{SCALARS, "{\"anInt32\":1.0}", "{\"anInt32\":1}"},
	{SCALARS, "{\"anInt32\":-12.50e1}", "{\"anInt32\":-125}"},
	{SCALARS, "{\"anInt32\":\"100\"}", "{\"anInt32\":100}"},
	{SCALARS, "{\"anInt32\":\"1e3\"}", "{\"anInt32\":1000}"},
	{SCALARS, "{\"anInt32\":\"-1.50E+2\"}", "{\"anInt32\":-150}"},
	{SCALARS, "{\"anInt32\":\"-0\",\"aUint32\":\"-0\"}", "{}"},
	{SCALARS, "{\"anInt32\":\"5000e-3\"}", "{\"anInt32\":5}"},
	{SCALARS, "{\"aUint32\":4294967295,\"aFixed32\":\"4294967295\"}",
	 "{\"aUint32\":4294967295,\"aFixed32\":4294967295}"},
	{SCALARS,
	 "{\"anInt64\":-9223372036854775808,\"aSint64\":\"9223372036854775807\",\"aSfixed64\":-1}",
	 "{\"anInt64\":\"-9223372036854775808\",\"aSint64\":\"9223372036854775807\","
	 "\"aSfixed64\":\"-1\"}"},
	{SCALARS, "{\"anInt64\":9007199254740993}", "{\"anInt64\":\"9007199254740993\"}"},
	{SCALARS, "{\"anInt64\":1e15}", "{\"anInt64\":\"1000000000000000\"}"},
	{SCALARS, "{\"anInt64\":\"9.223372036854775807e18\"}",
	 "{\"anInt64\":\"9223372036854775807\"}"},
	{SCALARS, "{\"aUint64\":\"18446744073709551615\",\"aFixed64\":1}",
	 "{\"aUint64\":\"18446744073709551615\",\"aFixed64\":\"1\"}"},
	{SCALARS, "{\"aBool\":true}", "{\"aBool\":true}"},
	{SCALARS, "{\"aBool\":false}", "{}"},
	{SCALARS, "{\"aColour\":\"COLOUR_BLUE\"}", "{\"aColour\":\"COLOUR_BLUE\"}"},
	{SCALARS, "{\"aColour\":5}", "{\"aColour\":\"COLOUR_BLUE\"}"},
	{SCALARS, "{\"aColour\":-3}", "{\"aColour\":\"COLOUR_NEGATIVE\"}"},
	{SCALARS, "{\"aColour\":\"COLOUR_UNSPECIFIED\"}", "{}"},
	{SCALARS, "{\"aString\":\"Hồ sơ \\\"đỏ\\\" / \\\\ 🇻🇳\"}",
	 "{\"aString\":\"Hồ sơ \\\"đỏ\\\" / \\\\ 🇻🇳\"}"},
	{SCALARS, "{\"aString\":\"H\\u1ed3 \\ud83c\\uddfb\\n\\t\\u0001\"}",
	 "{\"aString\":\"Hồ 🇻\\n\\t\\u0001\"}"},
	{SCALARS, "{\"someBytes\":\"AQL/\"}", "{\"someBytes\":\"AQL/\"}"},
	{SCALARS, "{\"someBytes\":\"-_-_\"}", "{\"someBytes\":\"+/+/\"}"},
	{SCALARS, "{\"someBytes\":\"AQ==\"}", "{\"someBytes\":\"AQ==\"}"},
	{SCALARS, "{\"someBytes\":\"AQ\"}", "{\"someBytes\":\"AQ==\"}"},
	{SCALARS, "{\"someBytes\":\"\"}", "{}"},
	{SCALARS, "{\"anInt32\":null,\"aString\":null,\"aColour\":null,\"someBytes\":null}", "{}"},
	{LISTS, "{\"int32s\":[1,\"2\",3e0],\"strings\":[\"\",\"a\"],\"messages\":null}",
	 "{\"int32s\":[1,2,3],\"strings\":[\"\",\"a\"]}"},
	{LISTS,
	 "{\"uint64s\":[\"0\",1],\"sfixed32s\":[-1],\"fixed64s\":[7],\"bools\":[true,false]}",
	 "{\"uint64s\":[\"0\",\"1\"],\"sfixed32s\":[-1],\"fixed64s\":[\"7\"],"
	 "\"bools\":[true,false]}"},
	{LISTS, "{\"colours\":[0,\"COLOUR_RED\",5],\"looseColours\":[1]}",
	 "{\"colours\":[\"COLOUR_UNSPECIFIED\",\"COLOUR_RED\",\"COLOUR_BLUE\"],"
	 "\"looseColours\":[\"COLOUR_RED\"]}"},
	{LISTS, "{\"byteses\":[\"\",\"AA==\"],\"int32s\":[]}", "{\"byteses\":[\"\",\"AA==\"]}"},
	{LISTS, "{\"messages\":[{},{\"aBool\":true},{}]}",
	 "{\"messages\":[{},{\"aBool\":true},{}]}"},
	{CHOICE, "{\"amountVnd\":\"0\"}", "{\"amountVnd\":\"0\"}"},
	{CHOICE, "{\"text\":\"\"}", "{\"text\":\"\"}"},
	{CHOICE, "{\"scalars\":{}}", "{\"scalars\":{}}"},
	{CHOICE, "{\"amountVnd\":null,\"text\":\"a\"}", "{\"text\":\"a\"}"},
	{CHOICE, "{\"feeVnd\":0,\"amountVnd\":\"5\",\"beside\":\"b\"}",
	 "{\"amountVnd\":\"5\",\"feeVnd\":\"0\",\"beside\":\"b\"}"},
	{TREE, "{\"XY9z\":9,\"label\":\"a\"}", "{\"label\":\"a\",\"XY9z\":9}"},
	{TREE, "{\"children\":[{\"child\":{\"label\":\"b\"}},{}],\"child\":{}}",
	 "{\"child\":{},\"children\":[{\"child\":{\"label\":\"b\"}},{}]}"},
	{SUBMIT,
	 "{\"procedureCode\":\"1.004873\",\"channel\":\"CHANNEL_OWN_PORTAL\",\"applicant\":"
	 "{\"kind\":\"citizen\",\"number\":\"036190000017\",\"name\":\"Nguyễn Văn An\"},"
	 "\"components\":[{\"code\":\"TP1\",\"file_ids\":[\"a\",\"b\"],\"paperCopies\":1}]}",
	 "{\"procedureCode\":\"1.004873\",\"channel\":\"CHANNEL_OWN_PORTAL\",\"applicant\":"
	 "{\"kind\":\"citizen\",\"number\":\"036190000017\",\"name\":\"Nguyễn Văn An\"},"
	 "\"components\":[{\"code\":\"TP1\",\"fileIds\":[\"a\",\"b\"],\"paperCopies\":1}]}"},
	{NULL, NULL, NULL, NULL},
};
