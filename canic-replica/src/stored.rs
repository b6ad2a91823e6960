//! How the state is written where serde has no form of its own for a type.

/// Values that copies share. On disk, each copy is written by itself.
pub(crate) mod shared {
    pub(crate) mod value {
        use std::sync::Arc;

        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub(crate) fn serialize<T: Serialize, S: Serializer>(
            value: &Arc<T>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            T::serialize(value, serializer)
        }

        pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Arc<T>, D::Error> {
            T::deserialize(deserializer).map(Arc::new)
        }
    }

    pub(crate) mod option {
        use std::sync::Arc;

        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub(crate) fn serialize<T: Serialize, S: Serializer>(
            value: &Option<Arc<T>>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            value.as_deref().serialize(serializer)
        }

        pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Arc<T>>, D::Error> {
            Ok(Option::deserialize(deserializer)?.map(Arc::new))
        }
    }

    pub(crate) mod map {
        use std::{collections::BTreeMap, sync::Arc};

        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
            map: &BTreeMap<K, Arc<V>>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_map(map.iter().map(|(key, value)| (key, &**value)))
        }

        pub(crate) fn deserialize<'de, K, V, D>(
            deserializer: D,
        ) -> Result<BTreeMap<K, Arc<V>>, D::Error>
        where
            K: Deserialize<'de> + Ord,
            V: Deserialize<'de>,
            D: Deserializer<'de>,
        {
            let map = BTreeMap::<K, V>::deserialize(deserializer)?;
            let shared = map.into_iter().map(|(key, value)| (key, Arc::new(value)));
            Ok(shared.collect())
        }
    }
}

/// Values of Candid that read themselves only from forms that say their types.
pub(crate) mod in_candid {
    use candid::CandidType;
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _,
        ser::Error as _,
    };

    pub(crate) fn serialize<T: CandidType, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes = candid::encode_one(value).map_err(S::Error::custom)?;
        bytes.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: DeserializeOwned + CandidType,
        D: Deserializer<'de>,
    {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        candid::decode_one(&bytes).map_err(D::Error::custom)
    }
}

/// Values whose form in JSON leaves fields out.
pub(crate) mod in_json {
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _,
        ser::Error as _,
    };

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(value).map_err(S::Error::custom)?;
        text.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: DeserializeOwned,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(D::Error::custom)
    }
}
