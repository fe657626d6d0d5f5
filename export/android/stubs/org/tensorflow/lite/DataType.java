package org.tensorflow.lite;

public enum DataType {
    INT32,
    INT64
}
