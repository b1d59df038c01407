/* SPDX-License-Identifier: Apache-2.0 */
#include "recovered.h"
#include "talk.h"

int isle_store_open_recovered(struct isle_store **ret_store, struct isle_err *err)
{
	int r = isle_store_open(ret_store, err);

	if (r >= 0)
		r = isle_recover(*ret_store, err);
	return r < 0 ? r : 0;
}

int isle_store_open_to_look(struct isle_store **ret_store, struct isle_err *err)
{
	struct isle_err why = ISLE_ERR_INIT;
	int r = isle_store_open(ret_store, err);

	if (r >= 0 && isle_recover(*ret_store, &why) < 0)
		isle_note("%s; what is shown may be half done", why.text);
	return r;
}
